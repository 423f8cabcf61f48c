"""The objects the fake org begins with, their key prefixes and standard fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aumconnect.testing.fakes.salesforce.fields import Field

__all__ = ["STANDARD", "system_fields"]


def _read_only(name: str, type: str, **rest: Any) -> Field:
    return Field(name=name, type=type, createable=False, updateable=False, **rest)


def _text(name: str, length: int, type: str = "string", **rest: Any) -> Field:
    return Field(name=name, type=type, length=length, **rest)


def _choice(name: str, *values: str, **rest: Any) -> Field:
    return Field(name=name, type="picklist", length=255, values=values, **rest)


def _parent(name: str, object: str, **rest: Any) -> Field:
    return Field(
        name=name, type="reference", length=18, references=(object,), relationship=name.removesuffix("Id"), **rest
    )


def system_fields(*, owned: bool = True) -> tuple[Field, ...]:
    """The fields every object has."""
    return (
        _read_only("Id", "id", length=18, id_lookup=True, label="Record ID"),
        _read_only("IsDeleted", "boolean", label="Deleted"),
        *([_parent("OwnerId", "User")] if owned else []),
        _read_only("CreatedDate", "datetime"),
        _read_only("CreatedById", "reference", length=18, references=("User",), relationship="CreatedBy"),
        _read_only("LastModifiedDate", "datetime"),
        _read_only("LastModifiedById", "reference", length=18, references=("User",), relationship="LastModifiedBy"),
        _read_only("SystemModstamp", "datetime"),
    )


def _address(prefix: str) -> tuple[Field, ...]:
    return (
        _text(f"{prefix}Street", 255, "textarea"),
        _text(f"{prefix}City", 40),
        _text(f"{prefix}State", 80),
        _text(f"{prefix}PostalCode", 20),
        _text(f"{prefix}Country", 80),
        _read_only(f"{prefix}Address", "address"),
    )


def _money(name: str) -> Field:
    return Field(name=name, type="currency", precision=18, scale=2)


STANDARD: Mapping[str, tuple[str, tuple[Field, ...]]] = {
    "Account": (
        "001",
        (
            *system_fields(),
            _text("Name", 255, required=True, label="Account Name"),
            _choice("Type", "Prospect", "Customer", "Partner", "Other"),
            _choice("Industry", "Banking", "Energy", "Retail", "Technology", "Other"),
            _choice("Rating", "Hot", "Warm", "Cold"),
            _text("AccountNumber", 40),
            _text("Phone", 40, "phone"),
            _text("Website", 255, "url"),
            _text("Description", 32_000, "textarea"),
            _money("AnnualRevenue"),
            Field(name="NumberOfEmployees", type="int", precision=8),
            _parent("ParentId", "Account"),
            *_address("Billing"),
        ),
    ),
    "Contact": (
        "003",
        (
            *system_fields(),
            _parent("AccountId", "Account"),
            _text("LastName", 80, required=True),
            _text("FirstName", 40),
            _choice("Salutation", "Mr.", "Ms.", "Mx.", "Dr."),
            _read_only("Name", "string", length=121, label="Full Name"),
            _text("Title", 128),
            _text("Department", 80),
            _text("Email", 80, "email", id_lookup=True),
            _text("Phone", 40, "phone"),
            _text("MobilePhone", 40, "phone"),
            _text("Description", 32_000, "textarea"),
            Field(name="Birthdate", type="date"),
            Field(name="DoNotCall", type="boolean", default=False),
            Field(name="HasOptedOutOfEmail", type="boolean", default=False),
            _choice("LeadSource", "Web", "Phone Inquiry", "Partner Referral", "Other"),
            *_address("Mailing"),
        ),
    ),
    "Lead": (
        "00Q",
        (
            *system_fields(),
            _text("LastName", 80, required=True),
            _text("FirstName", 40),
            _read_only("Name", "string", length=121, label="Full Name"),
            _text("Company", 255, required=True),
            _text("Title", 128),
            _text("Email", 80, "email", id_lookup=True),
            _text("Phone", 40, "phone"),
            _text("Description", 32_000, "textarea"),
            _choice("Status", "Open", "Working", "Closed", default="Open", required=True),
            _choice("Rating", "Hot", "Warm", "Cold"),
            _choice("LeadSource", "Web", "Phone Inquiry", "Partner Referral", "Other"),
            _money("AnnualRevenue"),
            Field(name="NumberOfEmployees", type="int", precision=8),
            _read_only("IsConverted", "boolean", default=False),
            _text("City", 40),
            _text("Country", 80),
        ),
    ),
    "Opportunity": (
        "006",
        (
            *system_fields(),
            _parent("AccountId", "Account"),
            _text("Name", 120, required=True),
            _choice("StageName", "Prospecting", "Negotiation", "Closed Won", "Closed Lost", required=True),
            Field(name="CloseDate", type="date", required=True),
            _money("Amount"),
            Field(name="Probability", type="percent", precision=3),
            _text("Description", 32_000, "textarea"),
            _choice("Type", "New Business", "Existing Business"),
            Field(name="IsPrivate", type="boolean", default=False),
        ),
    ),
    "Organization": (
        "00D",
        (
            *system_fields(owned=False),
            _read_only("Name", "string", length=80),
            _read_only("IsSandbox", "boolean"),
            _read_only("OrganizationType", "picklist", length=40),
            _read_only("InstanceName", "string", length=5),
        ),
    ),
    "User": (
        "005",
        (
            *system_fields(owned=False),
            _text("Username", 80, required=True, id_lookup=True),
            _text("LastName", 80, required=True),
            _text("FirstName", 40),
            _read_only("Name", "string", length=121),
            _text("Email", 128, "email", required=True),
            Field(name="IsActive", type="boolean", default=True),
        ),
    ),
}
