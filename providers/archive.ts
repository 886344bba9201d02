/** Archives of what was replaced or deleted, on the host; only root may look. */
export const archiveDirectory = "/var/backups/prosody-pulumi";

/**
 * A function for scripts, `pack FILE ARGUMENTS-OF-TAR`: an archive has its name once it is whole, so that none which was
 * cut off, or which the disk had no room for, is taken for one.
 */
export const pack = `pack() {
  archive_file=$1
  shift
  # Of runs that were killed: what nobody has written to for an hour.
  find "$(dirname "$archive_file")" -maxdepth 1 -name '*.part' -mmin +60 -delete
  tar -czf "$archive_file.part" "$@" && mv "$archive_file.part" "$archive_file" && return
  rm -f "$archive_file.part"
  return 1
}
`;
