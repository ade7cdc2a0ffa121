import { VarveError } from '../../../errors/errors.js';
import { type Loss, repairSnapshots } from '../../../repair/repair-snapshots.js';
import type { Repository } from '../../../repository/repository.js';
import { removeSnapshot, type SnapshotList, shortId } from '../../../repository/snapshots/snapshots.js';
import type { Context } from '../../program/shell.js';
import { type RewriteOptionFlags, rewriteChosen } from '../../snapshots/rewrite-command.js';
import type { Output } from '../../terminal/output.js';
import { lossyText, printable } from '../../text/escape.js';

/** The exit code when a snapshot lacks something. */
const INCOMPLETE = 3;

export async function repairSnapshotsCommand(
  context: Context,
  ids: readonly string[],
  flags: RewriteOptionFlags,
): Promise<number> {
  let losses = 0;
  const code = await rewriteChosen(
    context,
    ids,
    flags,
    'repair snapshots',
    (repository, chosen, settings, onEvent) =>
      repairSnapshots(repository, chosen, {
        ...settings,
        onEvent: (event) => {
          if (event.kind !== 'lost') return onEvent(event);
          losses++;
          printLoss(context.output, event);
        },
      }),
    (repository, list) => removeBroken(context.output, repository, list, ids, flags),
  );
  return code === 0 && losses > 0 ? INCOMPLETE : code;
}

/**
 * As restic does, removes the named snapshots whose object itself is damaged: nothing of them can be repaired.
 *
 * @returns the other ids
 * @throws VarveError for a snapshot that cannot be read for another reason: it may be sound, and stays
 */
async function removeBroken(
  output: Output,
  repository: Repository,
  { snapshots, failures }: SnapshotList,
  ids: readonly string[],
  { forget = false, dryRun = false }: RewriteOptionFlags,
): Promise<readonly string[]> {
  if (!forget) return ids;
  const others: string[] = [];
  for (const given of ids) {
    const broken = failures.filter(({ id }) => id.startsWith(given));
    const [only] = broken;
    if (only === undefined || broken.length > 1 || snapshots.some(({ id }) => id.startsWith(given))) {
      others.push(given);
      continue;
    }
    const { code, message } = only.error;
    if (code !== 'damaged')
      throw new VarveError(code, `snapshot ${shortId(only.id)} cannot be read, so it is not removed: ${message}`);
    if (!dryRun) await removeSnapshot(repository, only.id);
    output.message(`${dryRun ? 'would remove' : 'removed'} the damaged snapshot ${shortId(only.id)}`);
  }
  return others;
}

const WHAT: Readonly<Record<Loss['what'], string>> = {
  file: 'the file is left out',
  entry: 'the entry is left out',
  directory: 'the directory keeps only what can be read',
  attributes: 'its attributes and ACLs are left out',
};

function printLoss(output: Output, { what, stored, path, reason }: Loss): void {
  if (output.json)
    output.object({ message_type: 'lost', snapshot: stored.id, item: lossyText(path), type: what, reason });
  else output.prose(`snapshot ${shortId(stored.id)}: ${printable(path)}: ${WHAT[what]}: ${reason}`);
}
