import type { Command } from 'commander';
import { type Run, run, type Session } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import { pruner } from './command.js';
import { addPruneOptions, type PruneFlags } from './options.js';

const DESCRIPTION = `Remove data that no snapshot needs. Other commands can run at the same time: prune condemns unneeded packs first, and a later prune deletes
them, when the grace time has passed and no older command still runs. Needs a manage or full key.`;

const EXAMPLES = `
Examples:
  varve prune
  varve prune --dry-run
  varve prune --max-unused 10% --max-repack-size 2G
  varve prune --grace 0              delete at once, on a full disk; running commands are still respected
  varve prune --object-lock 30d      S3: also extend the locks of data in use (docs/stores.md)

Exit codes: 0 done; 1 failed, or something is damaged; 10 no repository; 11 another prune is running; 12 wrong password.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION);
  addPruneOptions(command);
  command
    .option('-n, --dry-run', 'change nothing, show what would be done')
    .option(
      '--unsafe-recover-no-free-space <id>',
      'for a disk so full that prune cannot begin: delete unneeded data and copy nothing; give the id of the repository, and make sure that no other command uses it',
    )
    .addHelpText('after', EXAMPLES);
  run(command, session, pruneCommand);
}

const pruneCommand: Run<PruneFlags> = async (context, _, flags) => {
  const prune = pruner(context, flags);
  const repository = await openFromOptions(context, () => import('../../../prune/prune.js'));
  repository.keys.requireRole('manage', 'prune');
  return prune(repository);
};
