// Uses the emulator's page as a person would, in headless Chromium, and prints what it saw as JSON.
//   node page.mjs URL WIDTH light|dark '{"object", "search", "field", "value"}' CHROMIUM [screenshot folder]
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [url, width, colorScheme, wanted, executablePath, folder] = process.argv.slice(2);
const task = JSON.parse(wanted);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const browser = await chromium.launch({ executablePath, headless: true, args: flags });
const page = await browser.newPage({ viewport: { width: Number(width), height: 844 }, colorScheme, reducedMotion: "reduce" });
const seen = { console: [], errors: [], elsewhere: [], overflow: [], barriers: [] };
page.on("console", (message) => seen.console.push(`${message.type()}: ${message.text()}`));
page.on("pageerror", (error) => seen.errors.push(error.message));
page.on("request", (request) => { if (!request.url().startsWith(url) && !request.url().startsWith("data:")) seen.elsewhere.push(request.url()); });

/** Whether the page is wider than the screen here, and what axe-core finds to stand in a person's way. */
async function inspect(name) {
  await page.waitForTimeout(100);
  if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) seen.overflow.push(name);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run());
  seen.barriers.push(...violations.map((each) => `${name}: ${each.id} (${each.nodes.map((node) => node.target).join(", ")})`));
  if (folder) await page.screenshot({ path: `${folder}/${width}-${colorScheme}-${name}.png` });
}

try {
  await page.goto(`${url}/__emulator__/`);
  await page.getByLabel("Object").selectOption(task.object);
  await page.getByRole("row").nth(1).waitFor();
  await inspect("records");

  await page.getByLabel("Search").fill(task.search);
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1 && document.querySelector("#range").textContent.endsWith("of 1"));
  await page.locator("#table tbody tr").click();
  const record = page.getByRole("dialog");
  await record.waitFor();
  await inspect("record");

  await record.getByRole("button", { name: `Edit ${task.field}` }).click();
  await inspect("editing");
  await record.getByRole("textbox", { name: task.field }).fill(task.value);
  await page.keyboard.press("Enter");
  await page.getByRole("status").filter({ hasText: "by a person" }).waitFor();
  seen.history = await record.locator("#history li").first().innerText();
  await inspect("edited");
  await page.keyboard.press("Escape");

  for (const tab of ["Changes", "Requests"]) {
    await page.getByRole("tab", { name: tab }).click();
    await inspect(tab.toLowerCase());
    seen[tab.toLowerCase()] = await page.locator("#table tbody tr").first().innerText();
  }

  await page.getByRole("button", { name: "Lose next reply" }).click();
  await page.getByRole("status").filter({ hasText: "lost" }).waitFor();
  await inspect("fault");
} catch (error) {
  seen.errors.push(error.message);
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
