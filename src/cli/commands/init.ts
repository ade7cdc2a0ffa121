import type { Command } from 'commander';
import { toHex } from '../../bytes/hex.js';
import { thisHost, thisUser } from '../machine.js';
import { cacheFolder, placeOfRepository } from '../open.js';
import { askPassword, unlockFromOptions } from '../password.js';
import { run, type Shell } from '../shell.js';

const SHOWN_ID = 10;

const DESCRIPTION = `Make a new repository. It is opened by the password that you give now (or by --key-file): without it nobody, you included, can
read what is in it. \`varve key add\` adds further passwords and keys that may do less.`;

const EXAMPLES = `
Examples:
  varve init -r /mnt/backup/varve
  varve -r /mnt/backup/varve --password-file ~/.varve-password init

Exit codes: 0 made; 1 failed, or there is a repository already.`;

export function define(command: Command, shell: Shell): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  command.option('--repository-version <version>', 'accepted for the sake of scripts; there is one version');
  run(command, shell, async (context) => {
    const { output } = context;
    const store = await placeOfRepository(context);
    const { initRepository, refuseExisting } = await import('../../repository/open.js');
    await refuseExisting(store);
    const unlock = unlockFromOptions(context) ?? {
      password: await askPassword(context, 'password for the new repository', true),
    };
    const options = { unlock, cacheFolder: cacheFolder(context), user: thisUser(), host: thisHost() };
    const repository = await initRepository(store, options);
    const id = toHex(repository.config.repository);
    if (output.json) output.object({ message_type: 'initialized', id, repository: store.location });
    else {
      output.print(`created varve repository ${id.slice(0, SHOWN_ID)} at ${store.location}`);
      output.message('');
      output.message('Keep the password (or key file) in a safe place as well: without it nobody can read');
      output.message('the repository, and nobody can help.');
    }
    return 0;
  });
}
