export { type ConfigValue, type Run, Stack, secret } from "../../tools/scratch-stack";
