/** A provider that does nothing at once, and ends as soon as the engine says so. */
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));

module.exports = {
  check: async (_olds, news) => ({ inputs: news }),
  diff: async (_id, { value }, news) => ({ changes: value !== news.value }),
  create: async ({ value }) => ({ id: "noop", outs: { value } }),
  read: async (id, props) => ({ id, props }),
  update: async (_id, _olds, { value }) => ({ outs: { value } }),
  delete: async () => {},
};
