from .gateway import Gateway as Gateway
