import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { luaSource } from "../../../providers/lua";

const interpreter = ["lua5.4", "lua5.3", "lua5.2", "lua5.1", "lua"].find(
  (name) => spawnSync(name, ["-v"]).error === undefined,
)!;

test("a file that is replaced while it is archived is whole in the archive", () => {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-tar-"));
  const [file, archive] = ["roster.dat", "roster.tar"].map((name) => path.join(scratch, name));
  try {
    fs.writeFileSync(file!, "short");
    // Prosody replaces it as soon as it was looked at.
    const program = `package.preload.lfs = function()
      return { attributes = function(name)
        if name ~= ${JSON.stringify(file)} then return { uid = 0, gid = 0 } end
        local old = io.open(name)
        local found = { size = old:seek "end", permissions = "rw-------", modification = 1, uid = 0, gid = 0 }
        old:close()
        os.remove(name)
        io.open(name, "w"):write("much longer than before"):close()
        return found
      end }
    end
    ${luaSource("tar")}
    local archive = io.open(${JSON.stringify(archive)}, "wb")
    add_file(archive, { path = ${JSON.stringify(file)}, name = "roster.dat", owner = "/" })
    end_archive(archive)`;
    const { stderr } = spawnSync(interpreter, ["-"], { input: program, encoding: "utf8" });
    expect(stderr).toBe("");
    const { stdout } = spawnSync("tar", ["-xOf", archive!], { encoding: "utf8" });
    expect(["short", "much longer than before"]).toContain(stdout);
  } finally {
    fs.rmSync(scratch, { recursive: true });
  }
});
