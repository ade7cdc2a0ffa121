import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';
import { addSelectionOptions } from '../../snapshots/snapshot-selection.js';

const DESCRIPTION = `Check the repository: every snapshot opens and has all its data, and the index, packs and keys are sound. For each problem, check names the
affected snapshots and files, and what to do. It does not trust the cache, and changes nothing without --repair.`;

const EXAMPLES = `
By default check reads the directories of packs, not their contents. --read-data reads everything, and finds bytes that
changed on the disk and data that a stolen key planted. To read a quarter each week (a crontab line; in a shell write %
instead of \\%):
  30 4 * * 0  varve check --quiet --read-data-subset "$(( $(date +\\%s) / 604800 \\% 4 + 1 ))/4"

--scrub needs no password: run it on the machine that holds the repository. It compares all objects with their names, which
are hashes. It finds objects that changed, not objects that are missing, and cannot name the affected files.

--repair reads all packs, and repairs damaged ones from their parity (varve init --parity) where the damage is not too
large. It changes a pack only when the result matches the pack's name. With --scrub it needs no password.

Examples:
  varve check
  varve check --read-data
  varve check --read-data-subset 500M        random packs, different ones each time
  varve check --scrub -r /srv/backup
  varve check --repair

Exit codes: 0 sound, or repaired; 1 something is wrong, or check failed; 10 no repository; 12 wrong password; 130
interrupted. Packs that no index lists, as an interrupted backup leaves them, are reported but are not an error.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  addSelectionOptions(command, 'checked, with the packs that they need');
  command
    .option('--read-data', 'read all packs and verify every blob (without a full key: file contents by pack hash only)')
    .option('--read-data-subset <subset>', 'read some packs: part n of t (n/t), a percentage (2.5%) or a size (500M)')
    .option('--scrub', 'only compare all objects with their names; needs no password')
    .option('--repair', 'repair damaged packs from their parity')
    .option('--with-cache', 'accepted for compatibility: check never trusts the cache');
  run(command, session, async (context, _args, options) => {
    const { checkCommand } = await import('./command.js');
    return checkCommand(context, options as Parameters<typeof checkCommand>[1]);
  });
}
