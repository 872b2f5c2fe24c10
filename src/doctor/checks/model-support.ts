import { verdictFor } from '../../compat/verdict.ts';
import { defineCheck } from '../contract.ts';
import { ok, problem, skipped, warning } from '../findings.ts';
import { withServer } from '../with-server.ts';

/** Whether this version of the server can run the model that was named. */
export const modelSupport = defineCheck({
  id: 'model-support',
  title: 'Model on this server',
  run: (view) =>
    withServer(view, async ({ version }) => {
      const { architecture, label, named } = await view.subject();
      if (!named) return skipped('No model was named: gemma-provision doctor MODEL.');
      const verdict = verdictFor({ architecture, version });
      if (!verdict.ok) return problem(verdict.reason, verdict.remedy ?? 'Upgrade Ollama.');
      if (verdict.basis !== 'unknown') return ok(verdict.reason);
      return warning(
        verdict.reason,
        `Prove it: gemma-provision install ${label}, which tests the model and takes it back.`,
      );
    }),
});
