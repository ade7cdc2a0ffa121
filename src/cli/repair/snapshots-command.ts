import { type Loss, repairSnapshots } from '../../repair/repair-snapshots.js';
import { shortId } from '../../repository/snapshots.js';
import type { Output } from '../output.js';
import { type RemakeFlags, remakeChosen } from '../remake/command.js';
import type { Context } from '../shell.js';
import { lossyText, printable } from '../text/escape.js';

export function repairSnapshotsCommand(context: Context, ids: readonly string[], flags: RemakeFlags): Promise<number> {
  return remakeChosen(context, ids, flags, 'repair snapshots', (repository, chosen, settings, tell) =>
    repairSnapshots(repository, chosen, {
      ...settings,
      onEvent: (event) => {
        if (event.kind === 'lost') tellLoss(context.output, event);
        else tell(event);
      },
    }),
  );
}

const WHAT: Readonly<Record<Loss['what'], string>> = {
  file: 'the file is left out',
  folder: 'the folder has only what can be read of it',
  attributes: 'its attributes and ACLs are left out',
};

function tellLoss(output: Output, { what, stored, path, reason }: Loss): void {
  if (output.json)
    output.object({ message_type: 'lost', snapshot: stored.id, item: lossyText(path), type: what, reason });
  else output.print(`snapshot ${shortId(stored.id)}: ${printable(path)}: ${WHAT[what]}: ${reason}`);
}
