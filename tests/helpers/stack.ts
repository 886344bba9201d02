export { type ConfigValue, makeProject, type Run, Stack, secret } from "../../bench/scratch-stack";
