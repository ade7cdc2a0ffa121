import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemReason } from '../errors/errors.js';
import { type AccessRules, requireAccess } from './access.js';
import { act, notAllowed, type Room } from './actions.js';
import type { Connections } from './connections.js';
import { Exchange } from './exchange.js';
import type { Logins } from './logins.js';
import { isServersFault, notFound, Refusal } from './refusal.js';
import type { Told } from './request-log.js';
import { seldom } from './seldom.js';
import { parseTarget, type Target, targetPath } from './target.js';

/** Who may see the metrics: nobody, the user of that name, or all. */
export type MetricsFor = 'nobody' | 'its-user' | 'all';

/** The user who may see the metrics, and rest-server's name for them. */
const METRICS_USER = 'metrics';

export interface Rules {
  /** Undefined when nobody logs in. */
  readonly logins: Logins | undefined;
  readonly access: AccessRules;
  readonly metricsFor: MetricsFor;
  /** Milliseconds that the server waits for a client that hardly moves. */
  readonly patience: number;
  readonly onRequest: ((told: Told) => void) | undefined;
  /** Told what went wrong on this side. */
  readonly onNotice: (text: string) => void;
  readonly connections: Connections;
}

function noticeOf({ method, target }: Exchange, cause: unknown): string {
  const path = target === undefined ? '' : ` ${targetPath(target)}`;
  return `${method}${path}: ${systemReason(cause)}`;
}

/** Answers requests: who is it, what is it about, may they, and then does it. */
export class Handler {
  /** Then each connection ends with its answer. */
  stopping = false;
  readonly #room: Room;
  readonly #rules: Rules;
  readonly #notice: (text: string) => void;

  constructor(room: Room, rules: Rules) {
    this.#room = room;
    this.#rules = rules;
    this.#notice = seldom(rules.onNotice);
  }

  /** Never throws. @param waits whether the client waits to be told that it may send the body */
  async handle(request: IncomingMessage, response: ServerResponse, waits: boolean): Promise<void> {
    const exchange = new Exchange(request, response, this.#rules.patience, waits, () => this.stopping);
    response.once('close', () => this.#over(exchange));
    try {
      await this.#answer(exchange);
    } catch (cause) {
      exchange.refuse(cause);
      if (isServersFault(cause)) this.#notice(noticeOf(exchange, cause));
    }
  }

  async #answer(exchange: Exchange): Promise<void> {
    if (exchange.path === undefined) throw new Refusal(400, 'this is no proxy');
    // Another site's page in a browser of this network: it has no business here, and could do harm where nobody logs in.
    if (exchange.header('origin') !== undefined) throw new Refusal(403, 'not for web pages');
    const target = parseTarget(exchange.path);
    exchange.target = target;
    exchange.user = await this.#userOf(exchange, target);
    this.#rules.connections.admit(exchange.request.socket);
    if (target === undefined) throw notFound();
    if (target.kind === 'metrics') return this.#metrics(exchange);
    this.#refuseMetricsUser(exchange.user);
    requireAccess(this.#rules.access, exchange.user, exchange.method, target);
    await act(this.#room, exchange, target);
  }

  async #userOf(exchange: Exchange, target: Target | undefined): Promise<string> {
    const { logins, metricsFor } = this.#rules;
    if (logins === undefined || (target?.kind === 'metrics' && metricsFor === 'all')) return '';
    return logins.userOf(exchange.header('authorization'), exchange.address);
  }

  /** The password of a monitoring system opens no repository. */
  #refuseMetricsUser(user: string): void {
    const { metricsFor, logins } = this.#rules;
    if (metricsFor === 'its-user' && logins !== undefined && user === METRICS_USER)
      throw new Refusal(403, `the user "${METRICS_USER}" may read the metrics and nothing else`);
  }

  #metrics(exchange: Exchange): void {
    const { metricsFor, logins, connections } = this.#rules;
    if (metricsFor === 'nobody') throw notFound();
    if (metricsFor === 'its-user' && logins !== undefined && exchange.user !== METRICS_USER)
      throw new Refusal(403, `metrics are for the user "${METRICS_USER}"`);
    if (exchange.method !== 'GET') throw notAllowed('GET');
    exchange.whole(
      this.#room.metrics.text(this.#room.quota, connections.size),
      'text/plain; version=0.0.4; charset=utf-8',
    );
  }

  #over(exchange: Exchange): void {
    const told = exchange.told();
    this.#room.metrics.answer(told.cut ? 499 : told.status);
    this.#rules.onRequest?.(told);
  }
}
