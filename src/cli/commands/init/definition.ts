import type { Command } from 'commander';
import { toHex } from '../../../bytes/hex.js';
import { VarveError } from '../../../errors/errors.js';
import { MAX_PARITY_PERCENT } from '../../../parity/layout.js';
import { run, type Shell } from '../../program/shell.js';
import { addFromOptions, type FromFlags, openSource, targetContext } from '../../repository/from-repository.js';
import { thisHost, thisUser } from '../../repository/machine.js';
import { cacheDirectory, placeOfRepository } from '../../repository/open.js';
import { askPassword, unlockFromOptions } from '../../repository/password.js';
import { storeSettings } from '../../repository/store-settings.js';

const SHOWN_ID = 10;

const DESCRIPTION = `Make a new repository. The password that you give now (or --key-file) opens it: without it nobody can read the repository, you
included. \`varve key add\` adds more passwords, and keys that may do less.`;

const EXAMPLES = `
With --parity each pack gets so much redundancy that \`varve check --repair\` heals it when up to that part of it is lost
on the disk. It is for good: it cannot be added or changed later. 5 is plenty for bits and sectors that go bad; a disk
that dies takes its parity with it, so it does not replace a second copy.

Examples:
  varve init -r /mnt/backup/varve
  varve init -r /mnt/usb/varve --parity 5
  varve -r /mnt/backup/varve --password-file ~/.varve-password init
  varve -r /mnt/second init --from-repo /mnt/backup/varve --copy-chunker-params

With --copy-chunker-params files are cut as in the other repository: what \`varve copy\` brings from there and
what is backed up here then share what they have in common. Keys of the new repository know that secret of
the other, with which nothing can be read.

Exit codes: 0 made; 1 failed, or there is a repository already.`;

export function define(command: Command, shell: Shell): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  command.option('--parity <percent>', 'add so much redundancy to every pack, from 1 to 100 percent (default: none)');
  command.option('--repository-version <version>', 'accepted for the sake of scripts; there is one version');
  command.option('--force', 'make it even where a disk should be mounted and is not, or where a repository was before');
  addFromOptions(command);
  command.option('--copy-chunker-params', 'cut files as the other repository does');
  run<InitFlags>(command, shell, async (context, _, flags) => {
    const { output } = context;
    refuseContradictions(flags);
    const parity = parsePercent(flags.parity);
    const target = flags.copyChunkerParams === true ? targetContext(context) : context;
    const settings = storeSettings(target);
    const store = await placeOfRepository(target, settings);
    const { initAbsent, refuseExisting, refuseMissingDisk } = await import('../../../repository/opening/open.js');
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
    const repository = await initAbsent(store, options);
    const id = toHex(repository.config.repository);
    if (output.json) output.object({ message_type: 'initialized', id, repository: store.location });
    else {
      output.message(`created varve repository ${id.slice(0, SHOWN_ID)} at ${store.location}`);
      output.message('');
      output.message('Keep the password (or key file) in a safe place as well: without it nobody can read');
      output.message('the repository, and nobody can help.');
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
    throw new VarveError('usage', 'another repository is needed for --copy-chunker-params only: give that, too');
}

function parsePercent(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const percent = Number(text.replace(/%$/, ''));
  if (Number.isInteger(percent) && percent >= 1 && percent <= MAX_PARITY_PERCENT) return percent;
  throw new VarveError('usage', `--parity ${text}: want whole percent from 1 to ${MAX_PARITY_PERCENT}`);
}
