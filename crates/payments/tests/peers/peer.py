"""Signs or verifies one webhook with `standardwebhooks` of PyPI: a JSON object in, one out."""

import json
import sys
from datetime import datetime, timezone

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

request = json.load(sys.stdin)
webhook = Webhook(request["secret"])
if request["verb"] == "sign":
    at = datetime.fromtimestamp(request["timestamp"], tz=timezone.utc)
    answer = {"signature": webhook.sign(request["id"], at, request["body"])}
else:
    try:
        webhook.verify(request["body"], request["headers"])
        answer = {"verified": True}
    except WebhookVerificationError:
        answer = {"verified": False}
json.dump(answer, sys.stdout)
