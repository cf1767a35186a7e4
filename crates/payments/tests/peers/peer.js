// Signs or verifies one webhook with `standardwebhooks` of npm: a JSON object in, one out.

const { readFileSync } = require("node:fs");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

const request = JSON.parse(readFileSync(0, "utf8"));
const webhook = new Webhook(request.secret);
let answer;
if (request.verb === "sign") {
  const at = new Date(request.timestamp * 1000);
  answer = { signature: webhook.sign(request.id, at, request.body) };
} else {
  try {
    webhook.verify(request.body, request.headers);
    answer = { verified: true };
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    answer = { verified: false };
  }
}
process.stdout.write(JSON.stringify(answer));
