// Explains why a connection ended.
// refusals.ts explains refused requests.
import type { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import type { End } from './client.js';
import { printable } from './protocol.js';

export interface ProgramEnd extends End {
  /** The server's name in messages. */
  readonly server: string;
  /** The command for a login by hand. */
  readonly login: string;
  readonly program: string;
  /** The program's standard error. */
  readonly said: string;
  /** Its exit code, or the signal that ended it; undefined while it runs. */
  readonly code: number | NodeJS.Signals | undefined;
}

interface Failure {
  readonly said: RegExp;
  /** @param login the command that logs in there by hand */
  readonly text: (login: string) => string;
  readonly code?: 'denied';
  readonly retryable?: boolean;
  /** The system error behind ssh's message. */
  readonly errno?: 'ECONNREFUSED';
}

/** ssh's messages and their meaning. The first match counts. */
const FAILURES: readonly Failure[] = [
  {
    said: /remote host identification has changed|host key .*has changed|revoked/i,
    text: (login) =>
      `its host key has changed: an attacker may be in between. If the server was reinstalled, remove the old key, as ssh says here, and log in once with \`${login}\``,
  },
  {
    said: /host key verification failed|host key is known/i,
    text: (login) =>
      `its host key is unknown here: log in once with \`${login}\`, as the user that varve runs as, and compare the key`,
  },
  {
    said: /permission denied \(|too many authentication failures|authentication failed/i,
    text: (login) =>
      `it does not let you in. Try \`${login}\`: is it the right user, is your key in ~/.ssh/authorized_keys there, and is it without a passphrase, or in an agent?`,
    code: 'denied',
  },
  {
    said: /could not resolve hostname/i,
    text: () => 'the host does not exist, or no name server answers',
    retryable: true,
  },
  {
    said: /connection refused/i,
    text: () => 'the connection is refused: is its ssh server running, and the port right?',
    retryable: true,
    errno: 'ECONNREFUSED',
  },
  {
    said: /no route to host|network is unreachable|timed out|timeout, server/i,
    text: () => 'it cannot be reached. Is it up, and is the port right?',
    retryable: true,
  },
  {
    said: /subsystem request failed/i,
    text: () => 'it offers no SFTP to this account. Add to its sshd_config: `Subsystem sftp internal-sftp`',
  },
  {
    said: /connection (reset|closed)|broken pipe|closed by remote host|kex_exchange_identification/i,
    text: () => 'it closed the connection',
    retryable: true,
  },
];

/** Characters of ssh's message to show. */
const SHOWN = 300;

/** Explains why a connection ended. */
export function explainEnd(end: ProgramEnd): VarveError {
  const { begun, server, program, code } = end;
  if (end.malformed !== undefined) return unexpectedAnswer(end, end.malformed);
  const known = FAILURES.find(({ said }) => said.test(end.said));
  if (begun) {
    const why = end.said === '' ? '' : ` (${quoted(end.said)})`;
    return new VarveError('storage', `${server}: the connection broke${why}`, { retryable: true });
  }
  if (known !== undefined) {
    const { text, retryable = false, errno } = known;
    const message = `${server}: ${text(end.login)} (${quoted(end.said)})`;
    const cause = errno && Object.assign(new Error(end.said), { code: errno });
    return new VarveError(known.code ?? 'storage', message, { retryable, cause });
  }
  if (printable(end.text) !== '') return talkative(server, end.text);
  const how =
    code === undefined ? 'closed its output' : `ended with ${typeof code === 'number' ? `exit code ${code}` : code}`;
  const said = end.said === '' ? '' : `: ${quoted(end.said)}`;
  return new VarveError('storage', `${server}: ${program} ${how} before SFTP began${said}`);
}

function unexpectedAnswer({ begun, server, text }: ProgramEnd, malformed: VarveError): VarveError {
  if (!begun && text.length > 4 && text[4] !== 2) return talkative(server, text);
  return new VarveError('storage', `${server}: ${malformed.message}`, { cause: malformed });
}

function talkative(server: string, text: Buffer): VarveError {
  const advice = 'the shell’s startup files there (~/.bashrc and the like) must print nothing unless it is interactive';
  return new VarveError(
    'storage',
    `${server}: the server's shell prints text instead of SFTP: "${printable(text)}"; ${advice}`,
  );
}

/** The last lines of ssh's message, which have the reason. */
function quoted(said: string): string {
  const lines = said.split(/\r?\n/).filter((line) => !/^\s*@*\s*$|^debug\d:/.test(line));
  const text = lines
    .join(' ')
    .replace(/\p{C}+/gu, ' ')
    .replace(/@{3,}/g, '')
    .replace(/\s+/g, ' ')
    .trim();
  return text.length <= SHOWN ? text : `…${text.slice(-SHOWN)}`;
}
