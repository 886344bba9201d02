/** What is wrong, and what to do about it. */
export type Diagnosis = readonly [problem: string, fix: string];

/**
 * Pure: the error for a run of a package manager that failed, with its own last words.
 * @param said all that it printed
 * @param complaint what its complaints look like; without any, the end of what it said is quoted
 */
export function failure([problem, fix]: Diagnosis, said: string, complaint: RegExp): Error {
  const lines = said.split("\n").filter((line) => line.trim());
  const complaints = lines.filter((line) => complaint.test(line));
  const last = (complaints.length > 0 ? complaints : lines).slice(-6).map((line) => `  ${line.trim()}`);
  return new Error([problem, ...last, `Fix: ${fix}`].join("\n"));
}
