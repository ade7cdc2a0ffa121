import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';

const DESCRIPTION = `Repair damaged packs from their parity. Where that is impossible, repair packs stores their sound blobs in new packs, copies the damaged pack to
the working directory, and removes it. A pack that cannot be read completely stays: it may be sound. Needs a full key; for packs of trees a
manage key is enough. Backups can run at the same time.`;

const AFTER = `
\`varve check --read-data\` names the damaged packs. Existing snapshots lose what is lost: \`varve repair snapshots --forget\` makes
them again without it, and the next backup stores again what it still finds.

Examples:
  varve repair packs 1a2b3c4d
  varve repair packs 1a2b3c4d 5e6f7a8b && varve repair snapshots --forget

Exit codes: 0 done, and nothing is lost; 1 failed, or something is lost, missing or cannot be read; 10 no repository; 11 a
prune or another repair is running; 12 wrong password; 130 interrupted.`;

export function definePacks(command: Command, session: Session): void {
  command
    .description(DESCRIPTION)
    .argument('[ids...]', 'names of packs, or prefixes of names')
    .addHelpText('after', AFTER);
  run(command, session, async (context, ids) => {
    const { repairPacksCommand } = await import('./packs-command.js');
    return repairPacksCommand(context, ids);
  });
}
