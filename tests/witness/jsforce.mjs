// What jsforce makes of the Salesforce emulator, printed as JSON for test_jsforce.py to judge.
//   node jsforce.mjs URL '{"username", "password", "clientId", "clientSecret"}'
import jsforce from "jsforce";

const [url, said] = process.argv.slice(2);
const who = JSON.parse(said);
const version = "60.0";
const oauth2 = { loginUrl: url, clientId: who.clientId, clientSecret: who.clientSecret };
const seen = {};

/** The error an attempt ends with, as jsforce tells it. */
async function refused(attempt) {
  try { return { nothing: await attempt() }; } catch (error) { return { name: error.name, errorCode: error.errorCode, message: error.message, data: error.data ?? null }; }
}

async function connect() {
  const connection = new jsforce.Connection({ oauth2, version });
  await connection.authorize({ grant_type: "client_credentials" });
  return connection;
}

async function logins() {
  const bySoap = new jsforce.Connection({ loginUrl: url, version: "50.0", logLevel: "FATAL" });
  const byPassword = new jsforce.Connection({ oauth2, version });
  const byClient = new jsforce.Connection({ oauth2, version });
  const wrong = new jsforce.Connection({ oauth2, version });
  const wrongSoap = new jsforce.Connection({ loginUrl: url, version: "50.0", logLevel: "FATAL" });
  const soap = await bySoap.login(who.username, who.password);
  const password = await byPassword.login(who.username, who.password);
  const client = await byClient.authorize({ grant_type: "client_credentials" });
  return {
    users: [soap, password, client].map((each) => [each.organizationId, each.id]),
    instances: [bySoap, byPassword, byClient].map((each) => each.instanceUrl),
    work: await Promise.all([bySoap, byPassword, byClient].map((each) => each.query("SELECT Id FROM Contact LIMIT 1").then((found) => found.done))),
    identity: await byClient.identity(),
    wrong: await refused(() => wrong.login(who.username, "wrong")),
    wrongSoap: await refused(() => wrongSoap.login(who.username, "wrong")),
  };
}

async function schema(connection) {
  const all = await connection.describeGlobal();
  const contact = await connection.describe("Contact");
  const field = (name) => contact.fields.find((each) => each.name === name);
  return { objects: all.sobjects.map((each) => each.name), fields: contact.fields.length, key: field("Customer_Id__c"), score: field("Churn_Score__c"), band: field("Churn_Band__c"), id: field("Id"), unknown: await refused(() => connection.describe("Contcat")) };
}

const people = (from, to) => Array.from({ length: to - from }, (_, index) => ({ LastName: `Person ${from + index}`, Customer_Id__c: `J-${from + index}` }));
const tally = (results) => ({ count: results.length, success: results.filter((each) => each.success).length, created: results.filter((each) => each.created).length, first: results[0] });

async function collections(connection) {
  const contacts = connection.sobject("Contact");
  const many = { allowRecursive: true };
  const created = await contacts.create(people(0, 450), many);
  const ids = created.map((each) => each.id);
  const updated = await contacts.update(ids.map((Id, index) => ({ Id, Churn_Score__c: index / 1000 })), many);
  const upserted = await contacts.upsert(people(400, 650).map((each) => ({ ...each, Churn_Band__c: "high" })), "Customer_Id__c", many);
  const mixed = await contacts.create([{ LastName: "Good", Customer_Id__c: "J-good" }, { Customer_Id__c: "J-nameless" }, { LastName: "Twin", Customer_Id__c: "J-1" }, { LastName: "Odd", Churn_Band__c: "sideways" }]);
  const undone = await contacts.create([{ LastName: "Innocent", Customer_Id__c: "J-innocent" }, { Customer_Id__c: "J-culprit" }], { allOrNone: true });
  const fetched = await contacts.retrieve([ids[3], "003000000000000AAA", ids[1]], { fields: ["Id", "Customer_Id__c", "Churn_Score__c"] });
  const destroyed = await contacts.destroy(ids.slice(0, 210), many);
  const again = await contacts.destroy(ids.slice(0, 2));
  const tooMany = await refused(() => contacts.create(people(1000, 1201)));
  return { created: tally(created), updated: tally(updated), upserted: tally(upserted), mixed, undone, fetched, destroyed: tally(destroyed), again, tooMany, ids: ids.slice(0, 4) };
}

async function queries(connection) {
  const soql = "SELECT Id, Customer_Id__c FROM Contact WHERE Customer_Id__c LIKE 'J-%' ORDER BY Customer_Id__c";
  const first = await connection.query(soql, { headers: { "Sforce-Query-Options": "batchSize=200" } });
  const next = await connection.queryMore(first.nextRecordsUrl);
  const all = [];
  const query = connection.query(soql, { headers: { "Sforce-Query-Options": "batchSize=200" }, autoFetch: true, maxFetch: 10000 });
  await new Promise((resolve, reject) => query.on("record", (record) => all.push(record.Customer_Id__c)).on("end", resolve).on("error", reject).run({ autoFetch: true, maxFetch: 10000 }));
  const found = await connection.sobject("Contact").find({ Customer_Id__c: ["J-401", "J-402"] }, ["Id", "Churn_Band__c"]).execute();
  return { totalSize: first.totalSize, done: first.done, size: first.records.length, second: next.records.length, attributes: first.records[0].attributes, all: all.length, distinct: new Set(all).size, count: (await connection.query("SELECT COUNT() FROM Contact WHERE Customer_Id__c LIKE 'J-%'")).totalSize, found, limit: connection.limitInfo };
}

async function singles(connection) {
  const contacts = connection.sobject("Contact");
  const made = await contacts.create({ LastName: "Single", Customer_Id__c: "S-1" });
  const updated = await contacts.update({ Id: made.id, FirstName: "Ada" });
  const upsertOld = await contacts.upsert({ Customer_Id__c: "S-1", Churn_Score__c: 0.5 }, "Customer_Id__c");
  const upsertNew = await contacts.upsert({ Customer_Id__c: encodeURIComponent("S/2 ä"), LastName: "New" }, "Customer_Id__c"); // jsforce puts keys into URLs as they are
  const read = await contacts.retrieve(made.id);
  const destroyed = await contacts.destroy(made.id);
  return { made, updated, upsertOld, upsertNew, read, destroyed, gone: await refused(() => contacts.retrieve(made.id)) };
}

async function errors(connection) {
  const contacts = connection.sobject("Contact");
  return {
    soql: await refused(() => connection.query("SELEKT Id FROM Contact")),
    field: await refused(() => connection.query("SELECT Nope__c FROM Contact")),
    object: await refused(() => connection.query("SELECT Id FROM Contcat")),
    required: await refused(() => contacts.create({ FirstName: "No last name" })),
    unknown: await refused(() => contacts.create({ LastName: "x", Nope__c: 1 })),
    picklist: await refused(() => contacts.create({ LastName: "x", Churn_Band__c: "sideways" })),
    long: await refused(() => contacts.create({ LastName: "x".repeat(81) })),
    twins: await refused(() => contacts.upsert({ Shared_Id__c: "twin", FirstName: "x" }, "Shared_Id__c")),
    missing: await refused(() => contacts.update({ Id: "003000000000000AAA", FirstName: "x" })),
    resource: await refused(() => connection.request(`/services/data/v${version}/nowhere`)),
  };
}

async function expiry(connection) {
  let refreshed = 0;
  const patient = new jsforce.Connection({
    oauth2, version, instanceUrl: connection.instanceUrl, accessToken: connection.accessToken,
    refreshFn: async (_, done) => { refreshed += 1; done(null, (await connect()).accessToken); },
  });
  const expire = () => fetch(`${url}/__emulator__/api/fault`, { method: "POST", headers: { "X-Emulator-Page": "1", "Content-Type": "application/json" }, body: JSON.stringify({ kind: "expire-token" }) });
  await expire();
  const direct = new jsforce.Connection({ instanceUrl: connection.instanceUrl, accessToken: connection.accessToken, version });
  const error = await refused(() => direct.query("SELECT Id FROM Contact LIMIT 1"));
  const found = await patient.query("SELECT Id FROM Contact LIMIT 1");
  return { error, refreshed, size: found.records.length };
}

seen.logins = await logins();
const connection = await connect();
seen.schema = await schema(connection);
seen.collections = await collections(connection);
seen.queries = await queries(connection);
seen.singles = await singles(connection);
seen.errors = await errors(connection);
seen.limits = await connection.limits();
seen.expiry = await expiry(connection);
console.log(JSON.stringify(seen));
