import { randomBytes } from 'node:crypto';
import { throwIfInterrupted, VarveError } from '../../../errors/errors.js';
import { belowLocation } from '../../../storage/below-location.js';
import { empty, runChecks } from '../../../storage/conformance/run.js';
import { measureSpeed } from '../../../storage/conformance/speed.js';
import { openStore } from '../../../storage/open-store.js';
import type { StoreSettings } from '../../../storage/settings.js';
import type { Store } from '../../../storage/store.js';
import type { Context } from '../../program/shell.js';
import { storeSettings } from '../../repository/store-settings.js';
import { StoreTestReport } from './test-report.js';

/** Stores that cannot overwrite, and whose directories only the server can remove. */
const BY_REST = /^(rest|rclone):/;

/** @returns the exit code */
export async function storeTestCommand(context: Context, location: string): Promise<number> {
  await refuseRepository(context, location);
  const scratch = belowLocation(location, `varve-store-test-${randomBytes(4).toString('hex')}`);
  const settings = settingsOf(context);
  const [store, other] = await Promise.all([openStore(scratch, settings), openStore(scratch, settings)]);
  const report = new StoreTestReport(context, store.location);
  try {
    await store.create();
    const replacesInTwoSteps = BY_REST.test(location);
    for await (const result of runChecks({ store, other, replacesInTwoSteps })) {
      report.check(result);
      throwIfInterrupted(context.signal);
    }
    await printSpeed(store, report);
  } finally {
    await Promise.all([store.close(), other.close()]);
    await cleanUp(context, scratch);
  }
  return report.finish();
}

/** Without Object Lock, because the test must remove its objects. */
const settingsOf = (context: Context): StoreSettings => ({ ...storeSettings(context), lockSeconds: undefined });

async function printSpeed(store: Store, report: StoreTestReport): Promise<void> {
  const began = performance.now();
  try {
    report.speed(await measureSpeed(store));
  } catch (cause) {
    const { code, message } = VarveError.from(cause);
    if (code === 'interrupted') throw cause;
    const seconds = (performance.now() - began) / 1000;
    report.check({ what: 'packs can be written and read for some seconds', error: message, seconds });
  }
}

async function refuseRepository(context: Context, location: string): Promise<void> {
  const store = await openStore(location, settingsOf(context));
  try {
    if ((await store.stat('config', 'config')) === undefined) return;
    const advice = 'give the directory above it, or another location';
    throw new VarveError('usage', `${store.location}: this is a repository: ${advice}`);
  } finally {
    await store.close();
  }
}

/** Uses a store of its own that ignores the interruption. */
async function cleanUp(context: Context, scratch: string): Promise<void> {
  let store: Store | undefined;
  try {
    store = await openStore(scratch, { ...settingsOf(context), signal: undefined });
    await empty(store);
    await store.discard?.();
    if (BY_REST.test(scratch)) context.output.message(`empty directories may be left at ${store.location}`, 2);
  } catch (cause) {
    const where = store?.location ?? 'the location';
    context.output.warn(`objects of the test are left at ${where}: ${VarveError.from(cause).message}`);
  } finally {
    await store?.close();
  }
}
