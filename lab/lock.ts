import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { say } from "./command";

/**
 * Does something that two processes must not do at once. The lock is the kernel's (flock(1)), so it ends with
 * this process, however that ends. Where flock(1) does not exist (macOS) there is no lock: whoever calls this
 * puts results in place by a rename.
 * @param waiting told to the user when another process holds the lock.
 */
export async function withLock<T>(file: string, waiting: string, body: () => Promise<T>): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  const release = await acquire(file, waiting);
  try {
    return await body();
  } finally {
    release();
  }
}

function acquire(file: string, waiting: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const holder = spawn("flock", ["--exclusive", file, "sh", "-c", "echo held; exec cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const notice = setTimeout(() => say(waiting), 1000);
    holder.on("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(notice);
      if (error.code === "ENOENT") resolve(() => undefined);
      else reject(error);
    });
    holder.on("exit", (code) => {
      clearTimeout(notice);
      reject(new Error(`flock ${file}: exit code ${code}`));
    });
    holder.stdin.on("error", () => undefined);
    holder.stdout.once("data", () => {
      clearTimeout(notice);
      resolve(() => holder.stdin.end());
    });
  });
}
