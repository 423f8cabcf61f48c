"""A fake Salesforce org; each rule names the vendor page it comes from, or says that it is unverified."""

from aumconnect.testing.fakes.salesforce.fake import FakeSalesforce
from aumconnect.testing.fakes.salesforce.fields import Field

__all__ = ["FakeSalesforce", "Field"]
