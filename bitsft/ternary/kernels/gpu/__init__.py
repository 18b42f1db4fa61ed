"""The kernels for NVIDIA GPUs, in Triton; the same signatures as reference.py, and its bits where a formula fixes them.

    quantize_weight, requantize_weight   W -> codes, γ, flips                  weights.py
    quantize_rows                        x -> x_i8, 1/s                        rows.py
    ternary_product                      int8 product with its epilogue        forward_product.py
    packed_product                       the same from packed codes            packed_product.py
    input_gradient, weight_gradient      the products of the backward pass     gradients.py
    packed_input_gradient                the first of them from packed codes   gradients.py

Nothing here waits for the device, and each function is an operator under torch.compile (operator.py). Imported only
where CUDA and Triton are there, or by tests: without a GPU they run in Triton's interpreter. Speed: docs/performance.md
says what has been measured, and what has not.
"""

from bitsft.ternary.kernels.gpu.forward_product import ternary_product as ternary_product
from bitsft.ternary.kernels.gpu.gradients import input_gradient as input_gradient
from bitsft.ternary.kernels.gpu.gradients import packed_input_gradient as packed_input_gradient
from bitsft.ternary.kernels.gpu.gradients import weight_gradient as weight_gradient
from bitsft.ternary.kernels.gpu.packed_product import packed_product as packed_product
from bitsft.ternary.kernels.gpu.rows import quantize_rows as quantize_rows
from bitsft.ternary.kernels.gpu.weights import quantize_weight as quantize_weight
from bitsft.ternary.kernels.gpu.weights import requantize_weight as requantize_weight
