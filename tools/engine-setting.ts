/** Resources that the engine works on at once: each is waiting for the host's answer nearly all of the time. */
const parallel = 256;

/** From this many JIDs on the engine's checkpoints cost more than everything else. */
const manyJids = 50;

/** Environment that the project recommends for a stack with so many JIDs, see docs/performance.md. */
export function settingFor(jids: number): Record<string, string> {
  return {
    PULUMI_PARALLEL: String(parallel),
    ...(jids >= manyJids ? { PULUMI_SKIP_CHECKPOINTS: "true" } : {}),
  };
}
