import { defineCheck } from '../contract.ts';
import { ok, warning } from '../findings.ts';
import { withServer } from '../with-server.ts';

/** Models under test that a run left in the server when it crashed: they take disk and are of no use. */
export const staging = defineCheck({
  id: 'staging',
  title: 'Remains of runs',
  run: (view) =>
    withServer(view, async () => {
      const left = (await view.names()).filter((name) => name.startsWith(view.stagingPrefix));
      if (left.length === 0) return ok('No run left anything in the server.');
      return warning(
        `Left by a run that is under way or did not end: ${left.join(', ')}.`,
        `Install the same model again, which sweeps them, or: ollama rm ${left.join(' ')}`,
      );
    }),
});
