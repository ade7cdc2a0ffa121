import type { Command } from 'commander';
import { run, type Shell } from '../../program/shell.js';

const DESCRIPTION = `Heal damaged packs by their parity. Of those that do not heal, what is right is stored anew, and the pack is removed, after a copy of it was put into
the working directory. A pack that cannot be read whole stays: it may be sound.
Needs a full key; for packs of directories a manage key is enough. Backups may run meanwhile.`;

const AFTER = `
\`varve check --read-data\` names the packs that are damaged. What is lost is lost for the snapshots that there are:
\`varve repair snapshots --forget\` makes them anew without it, and the next backup stores anew what it still finds.

Examples:
  varve repair packs 1a2b3c4d
  varve repair packs 1a2b3c4d 5e6f7a8b && varve repair snapshots --forget

Exit codes: 0 done, and nothing is lost; 1 failed, or something is lost, missing or could not be read;
10 no repository; 11 a prune or another repair is at work; 12 wrong password; 130 interrupted.`;

export function definePacks(command: Command, shell: Shell): void {
  command
    .description(DESCRIPTION)
    .argument('[ids...]', 'names of packs, or beginnings of them')
    .addHelpText('after', AFTER);
  run(command, shell, async (context, ids) => {
    const { repairPacksCommand } = await import('./packs-command.js');
    return repairPacksCommand(context, ids);
  });
}
