export { type ConfigValue, makeProject, type Run, Stack, secret } from "../../tools/scratch-stack";
