import { type Environment, filesFrom } from "../../config/environment";

/** Files of a test, by absolute path; an `Error` is what reading such a file throws. */
export type TestFiles = Record<string, string | { code: string } | { text: string; mode: number }>;

/** A machine that has nothing but these files; the project is in /project, the user at home in /home/me. */
export function machine(files: TestFiles = {}, more: Partial<Environment> = {}): Environment {
  return {
    files: filesFrom("/project", "/home/me", {
      exists: (file) => file in files,
      list: (directory) => {
        const found = Object.keys(files).filter((file) => file.startsWith(`${directory}/`));
        if (found.length === 0)
          throw Object.assign(new Error(directory), { code: directory in files ? "ENOTDIR" : "ENOENT" });
        return found.map((file) => file.slice(directory.length + 1));
      },
      mode: (file) => {
        const content = files[file];
        return typeof content === "object" && "mode" in content ? content.mode : 0o600;
      },
      read: (file) => {
        const content = files[file] ?? { code: "ENOENT" };
        if (typeof content === "string") return content;
        if ("text" in content) return content.text;
        throw Object.assign(new Error(`${content.code}: ${file}`), content);
      },
    }),
    now: new Date("2026-06-01T12:00:00Z"),
    ...more,
  };
}
