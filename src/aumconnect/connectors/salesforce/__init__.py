"""Salesforce through its REST API: sObject Collections, SOQL and describe."""

from aumconnect.connectors.salesforce.connector import Salesforce
from aumconnect.connectors.salesforce.login import Adopted

__all__ = ["Adopted", "Salesforce"]
