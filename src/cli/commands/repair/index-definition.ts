import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';

const DESCRIPTION = `Rebuild the index from the directories of the packs: add packs that no index object lists, drop packs that are gone, and replace index objects
that are damaged or contradict the packs. Backups can run at the same time. Needs a manage or full key.`;

const AFTER = `
The next backup stores again what it still finds of the data in packs that are gone.
Once packs are listed, restores can use them; then this reads them whole, so that backups can rely on them. Ctrl-C leaves that to
\`varve check --read-data\`.

Examples:
  varve repair index
  varve repair index --dry-run
  varve repair index --read-all-packs     trust nothing in the index

Exit codes: 0 done; 1 failed, or some packs are damaged or cannot be read; 10 no repository; 11 a prune or another repair is
running; 12 wrong password; 130 interrupted.`;

export function defineIndex(command: Command, session: Session): void {
  command.description(DESCRIPTION).addHelpText('after', AFTER);
  command
    .option('--read-all-packs', 'rebuild the whole index, even what seems to be right')
    .option('-n, --dry-run', 'change nothing, show what would be done');
  run(command, session, async (context, _args, options) => {
    const { repairIndexCommand } = await import('./index-command.js');
    return repairIndexCommand(context, options as Parameters<typeof repairIndexCommand>[1]);
  });
}
