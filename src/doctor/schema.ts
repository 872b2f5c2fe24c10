/** What the doctor found: one line a check, in a fixed order. */
import * as z from 'zod';

/**
 * `ok`: nothing to do. `warning`: an install works, but slower, or not as somebody may expect. `problem`: an install
 * would fail. `skipped`: it does not apply here, or cannot be seen from here; the detail says which.
 */
export const CheckStatus = z.enum(['ok', 'warning', 'problem', 'skipped']);
export type CheckStatus = z.infer<typeof CheckStatus>;

export const CheckResult = z.strictObject({
  id: z.string(),
  title: z.string(),
  status: CheckStatus,
  detail: z.string(),
  /** What to do about it, one step or way out a line; absent when there is nothing to do. */
  remedy: z.string().optional(),
});
export type CheckResult = z.infer<typeof CheckResult>;

/** One setting, its value in force (secrets hidden), and the place that won. */
export const SettingOrigin = z.strictObject({
  id: z.string(),
  /** Absent where nothing is set. */
  value: z.string().optional(),
  /** `--host`, `GEMMA_PROVISION_HOST`, `OLLAMA_HOST`, the path of config.json, or `default`. */
  source: z.string(),
  /** Places that also say something and lost, best first. */
  overruled: z.array(z.string()),
});
export type SettingOrigin = z.infer<typeof SettingOrigin>;

export const DoctorReport = z.strictObject({
  checks: z.array(CheckResult),
  settings: z.array(SettingOrigin),
});
export type DoctorReport = z.infer<typeof DoctorReport>;
