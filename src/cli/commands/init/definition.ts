import type { Command } from 'commander';
import { toHex } from '../../../bytes/hex.js';
import { VarveError } from '../../../errors/errors.js';
import { MAX_PARITY_PERCENT } from '../../../parity/layout.js';
import { run, type Session } from '../../program/shell.js';
import { addFromOptions, type FromFlags, openSource, targetContext } from '../../repository/from-repository.js';
import { thisHost, thisUser } from '../../repository/machine.js';
import { cacheDirectory, storeOfRepository } from '../../repository/open.js';
import { askPassword, unlockFromOptions } from '../../repository/password.js';
import { storeSettings } from '../../repository/store-settings.js';

const SHOWN_ID = 10;

const DESCRIPTION = `Create a repository. Its password (or --key-file) opens it: without the password, nobody can read the repository, not even you. \`varve key add\`
adds more passwords, and keys with fewer rights.`;

const EXAMPLES = `
--parity adds redundancy to each pack, so that \`varve check --repair\` can repair it after damage to up to that share of it. You
choose it for good: it cannot be added or changed later. 5 is plenty for bad sectors. Parity does not replace a second
copy: a disk that dies takes the parity with it.

--copy-chunker-params cuts files as the other repository does, so that snapshots that \`varve copy\` brings from there share data
with backups made here. The keys of the new repository then know the other one's chunking secret, which decrypts nothing.

Examples:
  varve init -r /mnt/backup/varve
  varve init -r /mnt/usb/varve --parity 5
  varve -r /mnt/backup/varve --password-file ~/.varve-password init
  varve -r /mnt/second init --from-repo /mnt/backup/varve --copy-chunker-params

Exit codes: 0 created; 1 failed, or a repository already exists.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  command.option('--parity <percent>', 'add this much redundancy to every pack, 1 to 100 percent (default: none)');
  command.option('--repository-version <version>', 'accepted for compatibility; there is only one version');
  command.option('--force', 'create it even if a disk seems not to be mounted, or a repository was here before');
  addFromOptions(command);
  command.option('--copy-chunker-params', 'cut files as the other repository does');
  run<InitFlags>(command, session, async (context, _, flags) => {
    const { output } = context;
    refuseContradictions(flags);
    const parity = parsePercent(flags.parity);
    const target = flags.copyChunkerParams === true ? targetContext(context) : context;
    const settings = storeSettings(target);
    const store = await storeOfRepository(target, settings);
    const { initUnchecked, refuseExisting, refuseMissingDisk } = await import('../../../repository/opening/open.js');
    await refuseExisting(store);
    if (flags.force !== true) refuseMissingDisk(store, { cacheDirectory: cacheDirectory(context) });
    const cutLike = flags.copyChunkerParams === true ? await openSource(context, flags) : undefined;
    const unlock = unlockFromOptions(context) ?? {
      password: await askPassword(context, 'password for the new repository', true),
    };
    const { onWarning } = settings;
    const options = {
      unlock,
      cacheDirectory: cacheDirectory(context),
      onWarning,
      user: thisUser(),
      host: thisHost(),
      cutLike,
      parity,
    };
    const repository = await initUnchecked(store, options);
    const id = toHex(repository.config.repository);
    if (output.json) output.object({ message_type: 'initialized', id, repository: store.location });
    else {
      output.message(`created varve repository ${id.slice(0, SHOWN_ID)} at ${store.location}`);
      output.message('');
      output.message('Keep a copy of the password (or key file) in a safe place: without it nobody can read');
      output.message('the repository, and nobody can help you.');
    }
    return 0;
  });
}

interface InitFlags extends FromFlags {
  readonly force?: boolean;
  readonly copyChunkerParams?: boolean;
  readonly parity?: string;
}

function refuseContradictions({ fromRepo, fromRepository, fromRepositoryFile, ...flags }: InitFlags): void {
  const given = fromRepo ?? fromRepository ?? fromRepositoryFile;
  if (given !== undefined && flags.copyChunkerParams !== true)
    throw new VarveError(
      'usage',
      '--from-repo needs --copy-chunker-params: init uses another repository for nothing else',
    );
}

function parsePercent(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const percent = Number(text.replace(/%$/, ''));
  if (Number.isInteger(percent) && percent >= 1 && percent <= MAX_PARITY_PERCENT) return percent;
  throw new VarveError('usage', `--parity ${text}: give a whole number from 1 to ${MAX_PARITY_PERCENT}`);
}
