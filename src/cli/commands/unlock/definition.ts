import type { Command } from 'commander';
import { listLeases, type UnreadLease } from '../../../repository/leases/leases.js';
import { run, type Session } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import { counted } from '../../text/units.js';

const DESCRIPTION = `Remove the leases of processes that have ended. This is rarely needed: a lease in locks/ says what a command is doing to the repository, and
stale leases block nothing.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION);
  command.option(
    '--remove-all',
    'also remove objects that are not leases of this repository; leases of live processes stay',
  );
  command.addHelpText('after', '\nExit codes: 0 done; 1 failed; 10 no repository; 12 wrong password.');
  run<{ readonly removeAll?: boolean }>(command, session, async (context, _, { removeAll }) => {
    const { output } = context;
    const repository = await openFromOptions(context);
    const unread: UnreadLease[] = [];
    const leases = await listLeases(repository, { onUnread: (lease) => unread.push(lease) });
    const stale = leases.filter((each) => each.stale);
    for (const { name } of stale) await repository.store.remove('locks', name);
    for (const { name, error, stale } of unread) {
      if (error.code === 'damaged' && (stale || removeAll === true)) {
        await repository.store.remove('locks', name);
        output.message(`removed locks/${name}, which is not a lease of this repository`);
      } else output.warn(`a lease is left: ${error.message}`);
    }
    const live = leases.length - stale.length;
    if (output.json) output.object({ message_type: 'summary', removed: stale.length, live });
    else {
      output.message(`removed ${counted(stale.length, 'lease')} of processes that have ended`);
      output.message(`kept ${counted(live, 'lease')} of live processes, which never block anything`);
    }
    return 0;
  });
}
