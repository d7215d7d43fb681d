// Prints a JSON list of what the official AsyncAPI 3.0.0 schema finds wrong in a YAML document; an empty list is good.
//
//     node check.mjs path/to/asyncapi.yaml
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import addFormats from "ajv-formats";
import Ajv from "ajv";
import { parse } from "yaml";

const schema = createRequire(import.meta.url)("@asyncapi/specs/schemas/3.0.0.json");
// The bundle carries the meta-schemas that Ajv has already, a few words different; two of one name are ambiguous.
for (const name of Object.keys(schema.definitions)) {
  if (name.startsWith("http://json-schema.org/")) delete schema.definitions[name];
}
const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
const valid = ajv.compile(schema);
valid(parse(readFileSync(process.argv[2], "utf8")));
const wrong = (valid.errors ?? []).map((error) => `${error.instancePath || "/"}: ${error.message}`);
process.stdout.write(JSON.stringify(wrong.slice(0, 50)));
