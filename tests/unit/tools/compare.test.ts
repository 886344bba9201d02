import { main } from "../../../tools/compare";

test("a mistake on the command line is not taken for a difference", async () => {
  const written = jest.spyOn(process.stderr, "write").mockReturnValue(true);
  expect(await main(["--stak", "prod"])).toBe(2);
  expect(await main([])).toBe(2);
  expect(written.mock.calls.map(([text]) => String(text).split("\n")[0])).toEqual([
    expect.stringContaining("'--stak'"),
    "npm run compare -- --stack NAME [--server NAME]",
  ]);
  written.mockRestore();
});
