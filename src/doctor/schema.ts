/** What the doctor found: one result per check, in a fixed order. */
import * as z from 'zod';

/**
 * `ok`: nothing to do. `warning`: an install works, but is slower or differs from what a user may expect. `problem`: an install
 * would fail. `skipped`: it does not apply, or cannot be determined from here; the detail says which.
 */
export const CheckStatus = z.enum(['ok', 'warning', 'problem', 'skipped']);
export type CheckStatus = z.infer<typeof CheckStatus>;

export const CheckResult = z.strictObject({
  id: z.string(),
  title: z.string(),
  status: CheckStatus,
  detail: z.string(),
  /** What to do about it, one step or alternative per line; absent when there is nothing to do. */
  remedy: z.string().optional(),
});
export type CheckResult = z.infer<typeof CheckResult>;

/** One setting, its effective value (secrets hidden), and the source that it comes from. */
export const SettingOrigin = z.strictObject({
  id: z.string(),
  /** Absent where nothing is set. */
  value: z.string().optional(),
  /** `--host`, `GEMMA_PROVISION_HOST`, `OLLAMA_HOST`, the path of config.json, or `default`. */
  source: z.string(),
  /** Sources that also set it and were overruled, in order of precedence. */
  overruled: z.array(z.string()),
});
export type SettingOrigin = z.infer<typeof SettingOrigin>;

export const DoctorReport = z.strictObject({
  checks: z.array(CheckResult),
  settings: z.array(SettingOrigin),
});
export type DoctorReport = z.infer<typeof DoctorReport>;

/** `model`: the one that was named. */
export const DoctorData = DoctorReport.extend({ model: z.string().optional() });
export type DoctorData = z.infer<typeof DoctorData>;
