// What happens to each request: parse, log in, check the rules, carry out, log.
// The steps themselves are in target.ts, logins.ts, access.ts and actions.ts.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemReason } from '../errors/errors.js';
import { type AccessRules, requireAccess } from './access.js';
import { notAllowed, perform, type ServerState } from './actions.js';
import type { Connections } from './connections.js';
import { Exchange } from './exchange.js';
import { HttpError, isServerFault, notFound } from './http-error.js';
import type { Logins } from './logins.js';
import { rateLimited } from './rate-limited.js';
import type { RequestRecord } from './request-log.js';
import { parseTarget, type Target, targetPath } from './target.js';

/** Who may read the metrics: no user, the user `metrics`, or everyone. */
export type MetricsFor = 'none' | 'metrics-user' | 'all';

/** The user who may read the metrics. The name is rest-server's. */
const METRICS_USER = 'metrics';

export interface Rules {
  /** Undefined when the server asks for no login. */
  readonly logins: Logins | undefined;
  readonly access: AccessRules;
  readonly metricsFor: MetricsFor;
  /** Milliseconds; see `SlowClientGuard`. */
  readonly idleTimeout: number;
  readonly onRequest: ((record: RequestRecord) => void) | undefined;
  /** Called with faults of the server itself. */
  readonly onNotice: (text: string) => void;
  readonly connections: Connections;
}

function noticeOf({ method, target }: Exchange, cause: unknown): string {
  const path = target === undefined ? '' : ` ${targetPath(target)}`;
  return `${method}${path}: ${systemReason(cause)}`;
}

/** Answers requests. */
export class Handler {
  /** When it is set, each connection closes after its next response. */
  stopping = false;
  readonly #state: ServerState;
  readonly #rules: Rules;
  readonly #notice: (text: string) => void;

  constructor(state: ServerState, rules: Rules) {
    this.#state = state;
    this.#rules = rules;
    this.#notice = rateLimited(rules.onNotice);
  }

  /** Never throws. @param expectsContinue whether the client waits for "100 Continue" before it sends the body */
  async handle(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const exchange = new Exchange(request, response, this.#rules.idleTimeout, expectsContinue, () => this.stopping);
    response.once('close', () => this.#finish(exchange));
    try {
      await this.#answer(exchange);
    } catch (cause) {
      exchange.refuse(cause);
      if (isServerFault(cause)) this.#notice(noticeOf(exchange, cause));
    }
  }

  async #answer(exchange: Exchange): Promise<void> {
    if (exchange.path === undefined) throw new HttpError(400, 'this server is not a proxy');
    // A web page in a browser on this network has no business here, and could do harm where no login is needed.
    if (exchange.header('origin') !== undefined) throw new HttpError(403, 'not for web pages');
    const target = parseTarget(exchange.path);
    exchange.target = target;
    exchange.user = await this.#userOf(exchange, target);
    this.#rules.connections.admit(exchange.request.socket);
    if (target === undefined) throw notFound();
    if (target.kind === 'metrics') return this.#metrics(exchange);
    this.#refuseMetricsUser(exchange.user);
    requireAccess(this.#rules.access, exchange.user, exchange.method, target);
    await perform(this.#state, exchange, target);
  }

  async #userOf(exchange: Exchange, target: Target | undefined): Promise<string> {
    const { logins, metricsFor } = this.#rules;
    if (logins === undefined || (target?.kind === 'metrics' && metricsFor === 'all')) return '';
    return logins.userOf(exchange.header('authorization'), exchange.address);
  }

  /** The password of a monitoring system must not open repositories. */
  #refuseMetricsUser(user: string): void {
    const { metricsFor, logins } = this.#rules;
    if (metricsFor === 'metrics-user' && logins !== undefined && user === METRICS_USER)
      throw new HttpError(403, `the user "${METRICS_USER}" may only read the metrics`);
  }

  #metrics(exchange: Exchange): void {
    const { metricsFor, logins, connections } = this.#rules;
    if (metricsFor === 'none') throw notFound();
    if (metricsFor === 'metrics-user' && logins !== undefined && exchange.user !== METRICS_USER)
      throw new HttpError(403, `only the user "${METRICS_USER}" may read the metrics`);
    if (exchange.method !== 'GET') throw notAllowed('GET');
    exchange.sendText(
      this.#state.metrics.text(this.#state.quota, connections.size),
      'text/plain; version=0.0.4; charset=utf-8',
    );
  }

  #finish(exchange: Exchange): void {
    const record = exchange.record();
    this.#state.metrics.answer(record.aborted ? 499 : record.status);
    this.#rules.onRequest?.(record);
  }
}
