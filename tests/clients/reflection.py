"""A client that knows gRPC only and asks the server for the rest: `reflection.py ADDRESS ROWS.npy OUT.npy`."""

import sys

import grpc
import numpy as np
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def main(address, rows_file, out_file):
    rows = np.load(rows_file)
    channel = grpc.insecure_channel(address)
    database = ProtoReflectionDescriptorDatabase(channel)
    assert {"inference.GRPCInferenceService", "grpc.health.v1.Health"} <= set(database.get_services())
    method = DescriptorPool(database).FindServiceByName("inference.GRPCInferenceService").methods_by_name["ModelInfer"]
    request = GetMessageClass(method.input_type)(model_name="gender_classifier")
    tensor = request.inputs.add(name="input", datatype="FP64", shape=rows.shape)
    tensor.contents.fp64_contents.extend(rows.ravel())
    call = channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    [output] = [each for each in call(request).outputs if each.name == "probabilities"]
    np.save(out_file, np.reshape(output.contents.fp64_contents, output.shape))


main(*sys.argv[1:])
