import { errnoCode, systemReason, VarveError } from '../../errors/errors.js';

interface Meaning {
  readonly text: string;
  readonly retryable: boolean;
}

const again = (text: string): Meaning => ({ text, retryable: true });
const final = (text: string): Meaning => ({ text, retryable: false });

const UNKNOWN_AUTHORITY = final(
  'this machine does not trust the signer of its certificate: give the signer’s certificate with --cacert FILE',
);
const CLIENT_CERTIFICATE = final('it refuses this client’s certificate, or wants one: --tls-client-cert FILE');
const NO_TLS = final('it does not speak TLS there: use http:// instead of https://');
const NO_HTTP = final('its answer is not HTTP: is the port right, and does it need https://?');
const CUT = again('the connection broke');
const UNREACHABLE = again('it cannot be reached: is the network up?');

/** The meaning of error codes of sockets, TLS and HTTP, for people. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  ECONNREFUSED: again('the connection is refused: is the server running, and the port right?'),
  ENOENT: again('the socket does not exist: is the server running?'),
  ENOTFOUND: again('the name of the server is unknown: is it spelled correctly, and is the network up?'),
  EAI_AGAIN: again('the name of the server cannot be looked up: is the network up?'),
  ECONNRESET: CUT,
  ECONNABORTED: CUT,
  EPIPE: CUT,
  ETIMEDOUT: again('the connection is not answered'),
  EHOSTUNREACH: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  ENETDOWN: UNREACHABLE,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  CERT_UNTRUSTED: UNKNOWN_AUTHORITY,
  CERT_HAS_EXPIRED: final('its certificate has expired (or the clock of this machine is wrong)'),
  CERT_NOT_YET_VALID: final('its certificate is not valid yet (or the clock of this machine is wrong)'),
  CERT_REVOKED: final('its certificate was revoked'),
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
};

/**
 * Turns a connection error into a message that says what to do.
 *
 * @param server as the user knows it: "backup.example:8000"
 */
export function networkError(cause: unknown, server: string): VarveError {
  if (cause instanceof VarveError) return cause;
  const { text, retryable } = meaningOf(cause);
  return new VarveError('storage', `${server}: ${text}`, { cause, retryable });
}

function meaningOf(cause: unknown): Meaning {
  const code = errnoCode(cause) ?? '';
  const known = MEANINGS[code];
  if (known !== undefined) return known;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return final(`its certificate is for another server (${namesOf(cause)}): use a name from it`);
  if (code.startsWith('HPE_')) return NO_HTTP;
  if (/^ERR_SSL_.*ALERT_.*CERTIFICATE/.test(code)) return CLIENT_CERTIFICATE;
  if (code === 'EPROTO' && /wrong version number|packet length too long/.test(String(cause))) return NO_TLS;
  if (cause instanceof AggregateError && cause.errors.length > 0) return meaningOf(cause.errors[0]);
  return final(systemReason(cause));
}

function namesOf(cause: unknown): string {
  const names = (cause as { cert?: { subjectaltname?: string } }).cert?.subjectaltname;
  return names ?? 'which it does not name';
}
