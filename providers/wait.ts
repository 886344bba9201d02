/** Resolves after so many milliseconds: the pause between two looks at a condition. */
export function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
