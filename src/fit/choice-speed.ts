import type { UseCaseId } from '../catalog/schema.ts';
import { ramBandwidth } from '../hardware/bandwidth-ram.ts';
import type { HostProfile } from '../hardware/schema.ts';
import type { RecommendRequest } from './choice-request.ts';
import { bestDevice, type Device, usableDevices } from './devices.ts';
import type { EstimateRequest } from './estimate.ts';
import type { Candidate, Engine, Recommendation } from './schema.ts';
import { speedFloor } from './speed/floor.ts';
import { estimateSpeed, type SpeedDevice } from './speed.ts';
import type { Placement } from './weights.ts';

/** What somebody who says nothing of the use is taken to want: a person waits and reads. */
const ANY_USE: UseCaseId = 'prototype';

type SpeedFacts = Pick<Candidate, 'tokensPerSecond' | 'promptTokensPerSecond' | 'fastEnough'>;

/** How fast a quant would be where it was placed; empty where nothing is known. */
export function speedFacts(
  quant: string,
  asked: Omit<EstimateRequest, 'placement' | 'weightsBasis'>,
  placement: Placement,
  request: RecommendRequest,
): SpeedFacts {
  const { profile, engine, measured, ram = ramBandwidth(profile) } = request;
  const { architecture, hyperparameters, weights, settings } = asked;
  const device = devicesFor(placement, profile, engine);
  const known = measured?.(quant);
  const { tokensPerSecond, promptTokensPerSecond } = estimateSpeed({
    architecture,
    hyperparameters,
    weights,
    settings,
    engine,
    placement,
    ...(device.length > 0 && { device }),
    cpu: { ...ram, cores: profile.cpu.physicalCores },
    ...(known !== undefined && { measured: known }),
  });
  const least = floorOf(request.useCase)?.tokensPerSecond ?? 0;
  return {
    ...(tokensPerSecond !== undefined && { tokensPerSecond, fastEnough: tokensPerSecond.high >= least }),
    ...(promptTokensPerSecond !== undefined && { promptTokensPerSecond }),
  };
}

/** The least speed that a use wants; undefined where waiting is part of it. */
export function floorOf(useCase: UseCaseId | undefined): Recommendation['speedFloor'] {
  const { tokensPerSecond, reason } = speedFloor(useCase ?? ANY_USE);
  return tokensPerSecond === undefined ? undefined : { tokensPerSecond, reason };
}

function devicesFor({ gpuLayers, split }: Placement, profile: HostProfile, engine: Engine): SpeedDevice[] {
  if (gpuLayers === 0) return [];
  if (split !== undefined) {
    return usableDevices(profile, engine)
      .devices.filter(({ unified }) => !unified)
      .map((device) => speedDevice(device, profile));
  }
  const { device } = bestDevice(profile, engine);
  return device === undefined ? [] : [speedDevice(device, profile)];
}

function speedDevice({ gpu, unified, totalBytes }: Device, profile: HostProfile): SpeedDevice {
  return { model: gpu.model, memoryBytes: unified ? profile.memory.total : totalBytes, unified };
}
