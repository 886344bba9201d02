/** What the engine costs by itself: `floor:count` resources that do nothing, of which the first may be changed. */
const pulumi = require("@pulumi/pulumi");

Error.prepareStackTrace = undefined; // as the project's own program does

class Noop extends pulumi.CustomResource {
  constructor(name, value) {
    super("pulumi-nodejs:floor:Noop", name, {
      value,
      __provider: 'exports.handler=()=>require("./noop.cjs")',
    });
  }
}

const config = new pulumi.Config();
const changed = config.requireNumber("changed");
for (let index = 0; index < config.requireNumber("count"); index++)
  new Noop(`noop-${index}`, index === 0 ? changed : 0);
