/** As the SDK prints an error of read or diff, before it hands it to the engine, which prints it too. */
const printed = new Set<string>();
let isListening = false;

/** Leaves the printing of an error to the engine. */
export function printOnce(error: Error): Error {
  error.stack = ""; // of the project's code, which tells a user nothing
  printed.add(`${error}: ${error.stack}`);
  if (!isListening) {
    isListening = true;
    // biome-ignore lint/suspicious/noConsole: the SDK's own printing
    const print = console.error;
    console.error = (...texts: unknown[]) => {
      if (!printed.delete(String(texts[0]))) print(...texts);
    };
  }
  return error;
}
