import { importKeys } from '../crypto/hierarchy.js';
import { recordFromThread } from '../format/pack-record.js';
import { BlobIndex } from '../repository/index/blob-index.js';
import { packWriters } from '../repository/packs/pack-writer.js';
import { serveTasks } from '../workers/serve.js';
import { SharedBuffers } from '../workers/shared-buffers.js';
import type { Note, Reply, Task, WorkerInit } from './messages.js';
import { PackCopier } from './pack-copier.js';

serveTasks<WorkerInit, Task, Reply, Note>((init, note) => {
  const keys = importKeys(init.keys);
  const packs = packWriters({
    ...init,
    signer: { keys, identity: init.identity },
    buffers: new SharedBuffers(init.buffers),
    emit: note,
  });
  const copier = new PackCopier({ ...init, keys, index: new BlobIndex(init.index), packs });
  return (task) => ({
    reply: copier.perform(task.kind === 'copy' ? { ...task, record: recordFromThread(task.record) } : task),
  });
});
