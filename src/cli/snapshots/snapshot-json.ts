// Snapshots as JSON, as restic prints them.
// snapshot-table.ts has the form for people.
import { treeId } from '../../browse/tree-id.js';
import type { Snapshot, SnapshotSummary } from '../../format/snapshot.js';
import { type StoredSnapshot, shortId } from '../../repository/snapshots/snapshots.js';
import { isText, lossyText, printable } from '../text/escape.js';
import { rfc3339 } from '../text/time.js';

/**
 * A snapshot as restic's JSON has it, with its keys in restic's order. Paths that are not UTF-8 are in `paths_raw` (base64) besides.
 */
export function snapshotJson({ id, snapshot, slot, label, doubt }: StoredSnapshot): Record<string, unknown> {
  const { time, parent, root, paths, host, user, uid, gid, excludes, tags, original, program, summary, suspect } =
    snapshot;
  return {
    time: rfc3339(time),
    ...(parent && { parent: parent.toString('hex') }),
    tree: treeId(root),
    paths: paths.map(lossyText),
    ...(!paths.every(isText) && { paths_raw: paths.map((path) => path.toString('base64')) }),
    hostname: host,
    username: user,
    uid,
    gid,
    ...(excludes.length > 0 && { excludes }),
    ...(tags.length > 0 && { tags }),
    ...(original && { original: original.toString('hex') }),
    program_version: program,
    ...(summary && { summary: summaryJson(summary) }),
    ...(suspect && suspect.length > 0 && { suspect: suspect.map(lossyText) }),
    signer: { slot, label },
    ...(doubt !== undefined && { doubt }),
    id,
    short_id: shortId(id),
  };
}

function summaryJson(summary: SnapshotSummary): Record<string, unknown> {
  const { backup_start, backup_end, entries_with_xattrs: _, ...counts } = summary;
  return { backup_start: rfc3339(backup_start), backup_end: rfc3339(backup_end), ...counts };
}

/** `user@host` for a terminal, as in restic. */
export function makerOf({ user, host }: Snapshot): string {
  return `${printable(user)}@${printable(host)}`;
}
