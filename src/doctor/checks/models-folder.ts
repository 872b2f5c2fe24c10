import { errnoOf } from '../../core/errors.ts';
import { defineCheck } from '../contract.ts';
import { type Finding, ok, problem, skipped } from '../findings.ts';
import { reasonOf } from '../folder-check.ts';
import { HIDDEN, nearestFolder } from '../space.ts';
import type { DoctorView } from '../view.ts';
import { withLocalServer } from '../with-server.ts';

/** Where the server keeps its models, and whether it may write there. */
export const modelsFolder = defineCheck({
  id: 'models-folder',
  title: 'Models folder',
  run: (view) =>
    withLocalServer(view, async () => {
      const folder = await view.models();
      if (folder === undefined) return skipped('Where the server keeps its models cannot be seen from here.');
      const source = folder.certain ? "by the server's own environment" : 'a guess: the server does not tell';
      const finding = await judge(view, folder.reach);
      return { ...finding, detail: `${folder.path} (${source}); ${finding.detail}` };
    }),
});

async function judge(view: DoctorView, reach: string): Promise<Finding> {
  try {
    const { path } = await nearestFolder(view, reach);
    const { socket } = await view.process();
    return await writableBy(view, path, socket?.uid);
  } catch (error) {
    if (!HIDDEN.includes(errnoOf(error) ?? '')) throw error;
    return skipped('this user may not look into it; run doctor as root to have it checked.');
  }
}

async function writableBy(view: DoctorView, path: string, server: number | undefined): Promise<Finding> {
  const { mode, uid } = await view.files.stat(path);
  const refusal = await view.files.mayWrite(path).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (errnoOf(refusal) === 'EROFS') return unwritable(path, 'its file system is read-only');
  if (server === undefined || view.uid === undefined) {
    return refusal === undefined
      ? ok('this user may write there.')
      : skipped(`this user may not write there (${reasonOf(refusal)}), whether the server may cannot be seen.`);
  }
  // Root may write everywhere, so that its own attempt says nothing of another user.
  if (server === 0) return ok('the server runs as root and may write there.');
  if (server === view.uid) {
    return refusal === undefined ? ok('the server may write there.') : unwritable(path, reasonOf(refusal));
  }
  if (uid === server && (mode & 0o200) !== 0) return ok('it belongs to the server’s user.');
  if (uid !== server && (mode & 0o002) !== 0) return ok('everybody may write there.');
  if (uid !== server && (mode & 0o020) !== 0)
    return skipped('whether the server’s user is in its group cannot be seen.');
  return unwritable(path, `it belongs to user ${uid}, the server runs as user ${server}`);
}

function unwritable(path: string, why: string): Finding {
  return problem(
    `the server cannot write there: ${why}.`,
    `Give ${path} to the user that the server runs as, or name another folder in its OLLAMA_MODELS.`,
  );
}
