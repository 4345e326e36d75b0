"""What the protocol's working group generates: `open_inference_client.py http|grpc ADDRESS ROWS.npy OUT.npy`."""

import sys

import numpy as np


def over_http(address, rows):
    from open_inference.openapi.client import InferenceRequest, OpenInferenceClient

    client = OpenInferenceClient(base_url=f"http://{address}")
    client.check_server_readiness()
    client.check_model_readiness("gender_classifier")
    assert client.read_model_metadata("gender_classifier").inputs[0].name == "input"
    tensor = {"name": "input", "shape": rows.shape, "datatype": "FP64", "data": rows.ravel().tolist()}
    answer = client.model_infer("gender_classifier", request=InferenceRequest(id="mine", inputs=[tensor]))
    [output] = [each for each in answer.outputs if each.name == "probabilities"]
    data = output.data
    return np.reshape(getattr(data, "__root__", data), output.shape)


def over_grpc(address, rows):
    import grpc
    from open_inference.grpc import protocol, service

    stub = service.GRPCInferenceServiceStub(grpc.insecure_channel(address))
    assert stub.ServerReady(protocol.ServerReadyRequest()).ready
    request = protocol.ModelInferRequest(
        model_name="gender_classifier",
        inputs=[
            protocol.ModelInferRequest.InferInputTensor(
                name="input",
                datatype="FP64",
                shape=rows.shape,
                contents=protocol.InferTensorContents(fp64_contents=rows.ravel()),
            )
        ],
    )
    answer = stub.ModelInfer(request)
    [output] = [each for each in answer.outputs if each.name == "probabilities"]
    return np.reshape(output.contents.fp64_contents, output.shape)


def main(how, address, rows_file, out_file):
    np.save(out_file, {"http": over_http, "grpc": over_grpc}[how](address, np.load(rows_file)))


main(*sys.argv[1:])
