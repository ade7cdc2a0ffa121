import type { Command } from 'commander';
import { listLeases } from '../../repository/leases.js';
import { openFromOptions } from '../open.js';
import { run, type Shell } from '../shell.js';
import { counted } from '../text/units.js';

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
      output.message(`removed ${counted(stale.length, 'lease')} of processes that are gone`);
      output.message(`kept ${counted(live, 'lease')} of live processes, which never block anything`);
    }
    return 0;
  });
}
