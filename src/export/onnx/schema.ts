import protobuf from 'protobufjs/light.js';

/**
 * The part of ONNX's file format that flashbook writes, with the field numbers of onnx.proto
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). Fields that are left out here are skipped when reading, as
 * protocol buffers ask for.
 */
const message = (fields: Record<string, { id: number; type: string; rule?: 'repeated' }>) => ({ fields });
const one = (id: number, type: string) => ({ id, type });
const many = (id: number, type: string) => ({ id, type, rule: 'repeated' as const });

const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: message({
      irVersion: one(1, 'int64'),
      producerName: one(2, 'string'),
      producerVersion: one(3, 'string'),
      domain: one(4, 'string'),
      modelVersion: one(5, 'int64'),
      docString: one(6, 'string'),
      graph: one(7, 'GraphProto'),
      opsetImport: many(8, 'OperatorSetIdProto'),
      metadataProps: many(14, 'StringStringEntryProto'),
    }),
    OperatorSetIdProto: message({ domain: one(1, 'string'), version: one(2, 'int64') }),
    StringStringEntryProto: message({ key: one(1, 'string'), value: one(2, 'string') }),
    GraphProto: message({
      node: many(1, 'NodeProto'),
      name: one(2, 'string'),
      initializer: many(5, 'TensorProto'),
      docString: one(10, 'string'),
      input: many(11, 'ValueInfoProto'),
      output: many(12, 'ValueInfoProto'),
    }),
    NodeProto: message({
      input: many(1, 'string'),
      output: many(2, 'string'),
      name: one(3, 'string'),
      opType: one(4, 'string'),
      attribute: many(5, 'AttributeProto'),
      docString: one(6, 'string'),
      domain: one(7, 'string'),
    }),
    AttributeProto: message({
      name: one(1, 'string'),
      f: one(2, 'float'),
      i: one(3, 'int64'),
      s: one(4, 'bytes'),
      floats: many(7, 'float'),
      ints: many(8, 'int64'),
      type: one(20, 'int32'),
    }),
    TensorProto: message({
      dims: many(1, 'int64'),
      dataType: one(2, 'int32'),
      name: one(8, 'string'),
      rawData: one(9, 'bytes'),
    }),
    ValueInfoProto: message({ name: one(1, 'string'), type: one(2, 'TypeProto'), docString: one(3, 'string') }),
    TypeProto: message({ tensorType: one(1, 'TensorTypeProto') }),
    TensorTypeProto: message({ elemType: one(1, 'int32'), shape: one(2, 'TensorShapeProto') }),
    TensorShapeProto: message({ dim: many(1, 'DimensionProto') }),
    DimensionProto: {
      ...message({ dimValue: one(1, 'int64'), dimParam: one(2, 'string') }),
      oneofs: { value: { oneof: ['dimValue', 'dimParam'] } },
    },
  },
});

/** TensorProto.DataType. */
export const OnnxDType = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7, bool: 9, f64: 11, u32: 12 } as const;
export type OnnxDTypeName = keyof typeof OnnxDType;

/** AttributeProto.AttributeType. */
export const AttributeType = { float: 1, int: 2, string: 3, floats: 6, ints: 7 } as const;

export interface AttributeProto {
  name: string;
  type: number;
  f?: number;
  i?: number;
  s?: Uint8Array;
  floats?: number[];
  ints?: number[];
}

export interface NodeProto {
  opType: string;
  name: string;
  input: string[];
  output: string[];
  attribute: AttributeProto[];
  docString?: string;
}

export interface TensorProto {
  name: string;
  dataType: number;
  dims: number[];
  /** Little-endian. */
  rawData: Uint8Array;
}

export interface ValueInfoProto {
  name: string;
  docString?: string;
  type: { tensorType: { elemType: number; shape: { dim: ({ dimValue: number } | { dimParam: string })[] } } };
}

export interface ModelProto {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  docString: string;
  opsetImport: { domain: string; version: number }[];
  metadataProps: { key: string; value: string }[];
  graph: {
    name: string;
    docString: string;
    node: NodeProto[];
    initializer: TensorProto[];
    input: ValueInfoProto[];
    output: ValueInfoProto[];
  };
}

const ModelType = root.lookupType('ModelProto');

export function encodeModel(model: ModelProto): Uint8Array {
  const problem = ModelType.verify(model);
  if (problem) throw new TypeError(`not an ONNX model: ${problem}`);
  return ModelType.encode(ModelType.fromObject(model)).finish();
}

/** Reads an ONNX model; int64 fields come as numbers, absent fields as their defaults. */
export function decodeModel(bytes: Uint8Array): ModelProto {
  return ModelType.toObject(ModelType.decode(bytes), { longs: Number, defaults: true, arrays: true }) as ModelProto;
}
