import type { Command } from 'commander';
import { listLeases } from '../../repository/leases.js';
import { openFromOptions } from '../open.js';
import { run, type Shell } from '../shell.js';

const DESCRIPTION = `Remove the leases of processes that are gone. There is no need to: a lease in locks/ tells what is being done to the repository,
it never keeps anybody from anything.`;

export function define(command: Command, shell: Shell): void {
  command.description(DESCRIPTION);
  command.option('--remove-all', 'accepted for the sake of scripts; leases of live processes stay');
  command.addHelpText('after', '\nExit codes: 0 done; 1 failed; 10 no repository; 12 wrong password.');
  run(command, shell, async (context) => {
    const { output } = context;
    const repository = await openFromOptions(context);
    const leases = await listLeases(repository);
    const stale = leases.filter((each) => each.stale);
    for (const { name } of stale) await repository.store.remove('locks', name);
    const live = leases.length - stale.length;
    if (output.json) output.object({ message_type: 'summary', removed: stale.length, live });
    else {
      output.message(`removed ${stale.length} leases of processes that are gone`);
      output.message(`${live} leases of live processes stay; none of them blocks anything`);
    }
    return 0;
  });
}
