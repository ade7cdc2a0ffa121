import type { Command } from 'commander';
import { run, type Shell } from '../../program/shell.js';

const DESCRIPTION = `Make the index anew from what the packs say of themselves: list packs that no index object lists, leave out those that are gone, replace index
objects that are damaged or say otherwise than the packs. Backups may run meanwhile. Needs a manage or full key.`;

const AFTER = `
Of what was in packs that are gone a later backup stores anew what it still finds.

Examples:
  varve repair index
  varve repair index --dry-run
  varve repair index --read-all-packs     believe nothing of the index

Exit codes: 0 done; 1 failed, or some packs are damaged or cannot be read; 10 no repository; 11 a prune or another repair is at
work; 12 wrong password; 130 interrupted.`;

export function defineIndex(command: Command, shell: Shell): void {
  command.description(DESCRIPTION).addHelpText('after', AFTER);
  command
    .option('--read-all-packs', 'write the whole index anew, also what seems to be right')
    .option('-n, --dry-run', 'only tell what would be done');
  run(command, shell, async (context, _args, options) => {
    const { repairIndexCommand } = await import('./index-command.js');
    return repairIndexCommand(context, options as Parameters<typeof repairIndexCommand>[1]);
  });
}
