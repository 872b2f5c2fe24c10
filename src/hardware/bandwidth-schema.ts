/** What GPUs read per second and compute per second, as published. The table is `data/gpus.json`; a test validates it against this schema. */
import * as z from 'zod';

export const GpuVendor = z.enum(['nvidia', 'amd', 'intel', 'apple']);
export type GpuVendor = z.infer<typeof GpuVendor>;

export const GpuRow = z.strictObject({
  /** Words by which drivers name it, without `Laptop GPU`. Compared word by word, never as a part of a longer word. */
  name: z.string().regex(/^[A-Z][A-Za-z0-9 ]*$/),
  /** GiB on the card, of Apple chips in the whole Mac; absent where it distinguishes nothing. */
  memory: z.array(z.number().positive()).min(1).optional(),
  /** GB/s, 10^9 bytes: what the memory gives at best. */
  bandwidth: z.number().min(30).max(20_000),
  /** 10^12 operations a second: FP16 where there are matrix units (without them), else FP32. */
  tflops: z.number().min(0.5).max(2000).optional(),
  /** Tensor cores, or the neural accelerators of Apple's M5. */
  matrix: z.literal(true).optional(),
  /** Key of `sources`, with the entry after a colon where the source has many. */
  source: z.string(),
});
export type GpuRow = z.infer<typeof GpuRow>;

export const GpuTable = z.strictObject({
  schemaVersion: z.literal(1),
  sources: z.record(z.string(), z.string()),
  groups: z.array(z.strictObject({ vendor: GpuVendor, laptop: z.boolean(), gpus: z.array(GpuRow).min(1) })),
});
export type GpuTable = z.infer<typeof GpuTable>;
