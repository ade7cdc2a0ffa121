import { type Loss, repairSnapshots } from '../../repair/repair-snapshots.js';
import { shortId } from '../../repository/snapshots.js';
import type { Output } from '../output.js';
import { type RemakeFlags, remakeChosen } from '../remake/command.js';
import type { Context } from '../shell.js';
import { lossyText, printable } from '../text/escape.js';

/** A snapshot lacks something. */
const INCOMPLETE = 3;

export async function repairSnapshotsCommand(
  context: Context,
  ids: readonly string[],
  flags: RemakeFlags,
): Promise<number> {
  let losses = 0;
  const code = await remakeChosen(context, ids, flags, 'repair snapshots', (repository, chosen, settings, tell) =>
    repairSnapshots(repository, chosen, {
      ...settings,
      onEvent: (event) => {
        if (event.kind !== 'lost') return tell(event);
        losses++;
        tellLoss(context.output, event);
      },
    }),
  );
  return code === 0 && losses > 0 ? INCOMPLETE : code;
}

const WHAT: Readonly<Record<Loss['what'], string>> = {
  file: 'the file is left out',
  entry: 'what stands there is left out',
  folder: 'the folder has only what can be read of it',
  attributes: 'its attributes and ACLs are left out',
};

function tellLoss(output: Output, { what, stored, path, reason }: Loss): void {
  if (output.json)
    output.object({ message_type: 'lost', snapshot: stored.id, item: lossyText(path), type: what, reason });
  else output.prose(`snapshot ${shortId(stored.id)}: ${printable(path)}: ${WHAT[what]}: ${reason}`);
}
