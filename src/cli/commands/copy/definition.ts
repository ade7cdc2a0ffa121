import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';
import { addFromOptions } from '../../repository/from-repository.js';
import { addSelectionOptions } from '../../snapshots/snapshot-selection.js';

const DESCRIPTION = `Copy snapshots from another repository, except those that were copied before. Each keeps its time, host, tags and paths. varve encrypts all data
again with the keys of this repository. Needs a full key of the other repository; an append key of this one is enough.`;

const EXAMPLES = `
Without ids, copy takes all snapshots that the filters select. If it is interrupted, what it copied stays, and the next copy
continues.

Examples:
  varve -r /mnt/second init --from-repo /mnt/backup --copy-chunker-params     cuts files in the same way, see init
  varve -r /mnt/second copy --from-repo /mnt/backup --from-password-file ~/.varve-password
  varve -r /mnt/second copy --from-repo /mnt/backup --host web1 --tag monthly
  varve -r /mnt/second copy --from-repo /mnt/backup latest

Exit codes: 0 done; 1 failed for some or all snapshots; 3 copies lack what cannot be read; 10 no repository; 12 wrong
password; 130 interrupted.`;

export function define(command: Command, session: Session): void {
  command
    .description(DESCRIPTION)
    .argument('[ids...]', 'only these snapshots of the other repository: ids, prefixes of ids, or latest')
    .addHelpText('after', EXAMPLES);
  addSelectionOptions(addFromOptions(command), 'copied');
  run(command, session, async (context, args, options) => {
    const { copyCommand } = await import('./command.js');
    return copyCommand(context, args, options as Parameters<typeof copyCommand>[2]);
  });
}
